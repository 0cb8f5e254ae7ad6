"""Who is told of a run that failed: by mail and by webhook, each if Airflow has a connection for it.

Called by the DAG processor, once for a run. Providers are imported when there is something to tell.
"""

import html
from typing import Any
from urllib.parse import quote

from airflow.sdk import Connection
from airflow.sdk.exceptions import AirflowNotFoundException

MAIL = "smtp_default"
WEBHOOK = "apprise_default"
_FAILED = ("failed", "upstream_failed")


def by_mail(context: Any) -> None:
    """Send a mail to the addresses `to` in the extra of the connection `smtp_default`, if there are any."""
    connection = _connection(MAIL)
    extra = connection.extra_dejson if connection else {}
    if to := extra.get("to"):
        from airflow.providers.smtp.notifications.smtp import SmtpNotifier

        text = f"<pre>{html.escape(message(context))}</pre>"
        sender = extra.get("from_email") or to
        # `notify` and not a call, which would take what stands in a reason for a template.
        SmtpNotifier(to=to, from_email=sender, subject=title(context), html_content=text, smtp_conn_id=MAIL).notify(
            context
        )


def by_webhook(context: Any) -> None:
    """Tell the services that the connection `apprise_default` names, if there is one."""
    if _connection(WEBHOOK):
        from airflow.providers.apprise.notifications.apprise import AppriseNotifier
        from apprise import NotifyType

        body, kind = message(context), NotifyType.FAILURE
        AppriseNotifier(title=title(context), body=body, notify_type=kind, apprise_conn_id=WEBHOOK).notify(context)


def title(context: Any) -> str:
    """One line."""
    return f"Sen2Extract: {context['dag'].dag_id} failed"


def message(context: Any) -> str:
    """The DAG, the run, what is wrong with which product, and where to look."""
    from airflow.sdk.configuration import conf

    dag, run = context["dag"].dag_id, context["run_id"]
    address = f"{conf.get('api', 'base_url', fallback='').rstrip('/')}/dags/{dag}/runs/{quote(run, safe='')}"
    return "\n".join([f"DAG {dag}, run {run}: failed", *_reasons(context), address])


def _reasons(context: Any) -> list[str]:
    """What the tasks before the verdict have left, and which tasks failed."""
    ti = context.get("ti")
    if ti is None:
        return []
    states = ti.get_task_states(dag_id=ti.dag_id, run_ids=[ti.run_id]).get(ti.run_id, {})
    failed = sorted({name.partition("[")[0] for name, state in states.items() if state in _FAILED} - {"verdict"})
    tasks = [f"tasks that failed: {', '.join(failed)}"] if failed else []
    return [*_products(_left(context, "summarise")), *_areas(_left(context, "search")), *_job(context), *tasks]


def _left(context: Any, task: str) -> dict[str, Any]:
    found = context["ti"].xcom_pull(task_ids=task) if context["dag"].has_task(task) else None
    return found if isinstance(found, dict) else {}


def _products(summary: dict[str, Any]) -> list[str]:
    from ingest import tasks

    return [tasks.described(summary)] if summary else []


def _areas(found: dict[str, Any]) -> list[str]:
    return [f"{name}: {reason}" for name, reason in (found.get("failed") or {}).items()]


def _job(context: Any) -> list[str]:
    ended = _left(context, "finish")
    return [f"{ended['status']}: {ended['message']}"] if ended else []


def _connection(name: str) -> Connection | None:
    try:
        return Connection.get(name)
    except AirflowNotFoundException:
        return None
