"""Files by reference: a local path, or ``hub:owner/name/file`` on the Hugging Face hub; whole data sets."""

from pathlib import Path

from dinoflow_deploy.errors import FileFormatError, HubError, InputError
from dinoflow_deploy.system.user_folders import expand_home

HUB_PREFIX = "hub:"
_PASS_A_FILE = "Or pass a downloaded file with --backbone-weights or --head"


def resolve_reference(source: str | Path) -> Path:
    """The local file of a reference, fetched into the hub's cache when it is not there yet.

    Args:
        source: A path, or ``hub:owner/name/path/in/repository``.

    Raises:
        FileFormatError: There is no such local file, or it is a folder.
        InputError: The hub reference is malformed.
        HubError: The hub refused (gated, private, no such file) or cannot be reached.
    """
    text = str(source)
    if not text.startswith(HUB_PREFIX):
        return _local(Path(expand_home(text)))
    return _download(*_parse(text))


def find_cached(reference: str) -> Path | None:
    """The file of a reference ``hub:owner/name/file`` in the hub's cache, without asking the hub.

    Raises:
        InputError: The reference is malformed.
    """
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(*_parse(reference))
    # Beside None there is a mark for a file that the hub is known not to have.
    return Path(found) if isinstance(found, str) else None


def fetch_dataset(source: str) -> Path:
    """The local folder of a whole data set repository, fetched into the hub's cache as far as needed.

    Args:
        source: ``hub:owner/name``.

    Raises:
        InputError: The reference is malformed.
        HubError: The hub refused (gated, private, not there) or cannot be reached.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError

    repository = source.removeprefix(HUB_PREFIX)
    if repository.count("/") != 1 or not all(repository.split("/")):
        raise InputError(f"'{source}' is no data set on the hub: it is written {HUB_PREFIX}owner/name")
    try:
        return Path(snapshot_download(repository, repo_type="dataset"))
    except HFValidationError as error:
        raise InputError(f"'{source}' is no hub reference: {error}") from error
    except Exception as error:  # the network's own errors, which differ among versions of the library
        raise _hub_error(error, f"datasets/{repository}", "") from error


def _parse(reference: str) -> tuple[str, str]:
    """Repository and file."""
    owner, _, rest = reference.removeprefix(HUB_PREFIX).partition("/")
    name, _, file = rest.partition("/")
    if not (owner and name and file):
        raise InputError(f"'{reference}' is no hub reference: it is written {HUB_PREFIX}owner/name/file")
    return f"{owner}/{name}", file


def _local(path: Path) -> Path:
    if path.is_dir():
        raise FileFormatError(f"{path} is a folder: pass the file of weights in it")
    if not path.is_file():
        raise FileFormatError(f"no file {path}: a file on the hub is written {HUB_PREFIX}owner/name/file")
    return path


def _download(repository: str, file: str) -> Path:
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HFValidationError

    try:
        return Path(hf_hub_download(repository, file))
    except HFValidationError as error:
        raise InputError(f"'{HUB_PREFIX}{repository}/{file}' is no hub reference: {error}") from error
    except Exception as error:  # the network's own errors, which differ among versions of the library
        raise _hub_error(error, repository, file) from error


def _hub_error(error: Exception, repository: str, file: str) -> HubError:
    from huggingface_hub.errors import LocalEntryNotFoundError

    # Not found in the cache either: how the hub was asked for it is the cause.
    reason = (error.__cause__ if isinstance(error, LocalEntryNotFoundError) else None) or error
    response = getattr(reason, "response", None)
    first_line = str(reason).strip().partition("\n")[0]
    status = first_line if response is None else f"HTTP {response.status_code}"
    return HubError(_explanation(reason, status, repository, file), status)


def _explanation(reason: BaseException, status: str, repository: str, file: str) -> str:
    from huggingface_hub.errors import EntryNotFoundError, RepositoryNotFoundError

    if isinstance(reason, RepositoryNotFoundError) or status in ("HTTP 401", "HTTP 403"):
        # The hub answers 401 for a repository that is private, gated, or not there.
        return (
            f"the hub refuses {repository} ({status}). Where it is gated: accept its terms on "
            f"https://huggingface.co/{repository}, then run 'hf auth login' with a token that may read it. "
            f"{_PASS_A_FILE if file else 'Or pass a folder that holds the data sets'}"
        )
    if isinstance(reason, EntryNotFoundError) and status.startswith("HTTP"):
        return f"{repository} on the hub has no file {file}"
    if not file:
        return (
            f"{repository} is not in the local hub cache and cannot be fetched ({status}): check the "
            "connection to the hub, or pass a folder that holds the data sets"
        )
    return (
        f"{repository}/{file} is not in the local hub cache and cannot be fetched ({status}): check the "
        f"connection to the hub. {_PASS_A_FILE}"
    )
