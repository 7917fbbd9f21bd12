import sys

from tests.benchmarks.test_scripts import SCRIPTS

# The scripts are no package: they import their neighbours.
sys.path.insert(0, str(SCRIPTS))
