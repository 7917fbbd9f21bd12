"""``python -m dinoflow_deploy`` is ``dinoflow-deploy``."""

from dinoflow_deploy.cli.app import main

main()
