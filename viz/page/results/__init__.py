"""The Results tab: run folders as answers, tables and figures."""
