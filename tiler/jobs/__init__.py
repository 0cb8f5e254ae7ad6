"""Large extractions: accepted here, run by Airflow (`dags/extract_series.py`), shown until they expire."""
