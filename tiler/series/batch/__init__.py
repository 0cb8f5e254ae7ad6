"""Large extractions in chunks: what a job's tasks do, without any framework. `tasks` is what Airflow calls."""
