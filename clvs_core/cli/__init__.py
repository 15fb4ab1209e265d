"""What stands behind the command line (`clvs_core.cli.main`): shared options, the tables, and the longer commands."""
