"""The one door for what is written: refused before the work, whole or absent after it, in nobody's way."""

from dinoflow_deploy.atomic.checks import check_file, check_folder, check_writable
from dinoflow_deploy.atomic.file import atomic_file
from dinoflow_deploy.atomic.folder import atomic_folder
from dinoflow_deploy.atomic.leftovers import remove_leftovers
from dinoflow_deploy.atomic.lines import GrowingFile
from dinoflow_deploy.atomic.names import MOST_BYTES, fitting_name
from dinoflow_deploy.atomic.special import descriptor_of, is_special

__all__ = [
    "MOST_BYTES",
    "GrowingFile",
    "atomic_file",
    "atomic_folder",
    "check_file",
    "check_folder",
    "check_writable",
    "descriptor_of",
    "fitting_name",
    "is_special",
    "remove_leftovers",
]
