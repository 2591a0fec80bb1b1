"""Free space of the file system that a folder is on: of this machine, or as a node_exporter there tells."""

from datetime import timedelta
from pathlib import PurePosixPath

import psutil
from prometheus_client.parser import text_string_to_metric_families

from pgwatch.probes.fetch import Fetcher
from pgwatch.probes.probe import ProbeError

_AVAILABLE = "node_filesystem_avail_bytes"
_MAX_PAGE_BYTES = 32 * 1024 * 1024


def local_free_bytes(folder: str) -> int:
    """Return what a plain user may still write below `folder`; raises ProbeError if it is not here."""
    try:
        return int(psutil.disk_usage(folder).free)
    except OSError as error:
        raise ProbeError(f"{folder} on this machine: {error.strerror or error}") from error


def node_exporter_free_bytes(url: str, folder: str, *, timeout: timedelta) -> int:
    """Return the same from a node_exporter's page; raises ProbeError."""
    fetched = Fetcher(url=url, max_bytes=_MAX_PAGE_BYTES).fetch(timeout=timeout)
    if fetched.status != 200:
        raise ProbeError(f"the node_exporter answered with status {fetched.status} instead of 200")
    lines = fetched.body.decode("utf-8", "replace").splitlines(keepends=True)
    page = "".join(line for line in lines if line.startswith(_AVAILABLE))
    try:
        free = {
            sample.labels["mountpoint"]: sample.value
            for family in text_string_to_metric_families(page)
            for sample in family.samples
        }
    except (ValueError, IndexError, KeyError) as error:
        raise ProbeError("the node_exporter's page is not in Prometheus's text format") from error
    above = [str(PurePosixPath(folder)), *map(str, PurePosixPath(folder).parents)]
    for mountpoint in above:
        if mountpoint in free:
            return int(free[mountpoint])
    raise ProbeError(f"the node_exporter names no file system for {folder}")
