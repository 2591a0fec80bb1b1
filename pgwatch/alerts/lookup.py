"""Label sets by the fingerprint that others know, which is computed once for each."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from pgwatch.samples.labels import Labels


@dataclass(frozen=True, slots=True, kw_only=True)
class _Index:
    collection: object = None  # that it is of
    fingerprints: Mapping[Labels, str] = field(default_factory=dict)
    labels: Mapping[str, Labels] = field(default_factory=dict)


class Lookup:
    """Finds in a collection that is replaced as a whole when it changes; in any thread."""

    def __init__(self, seen_as: Callable[[Labels], Labels]) -> None:
        """`seen_as` gives the labels that others see, whose fingerprint counts."""
        self._seen_as = seen_as
        self._index = _Index()

    def find(self, collection: object, labels: Iterable[Labels], fingerprint: str) -> Labels | None:
        """Return those of `labels`, which are the `collection`'s, that others know by `fingerprint`."""
        index = self._index
        if collection is not index.collection:
            known = index.fingerprints
            new = {one: known.get(one) or self._seen_as(one).fingerprint() for one in labels}
            by_fingerprint = {text: one for one, text in new.items()}
            index = _Index(collection=collection, fingerprints=new, labels=by_fingerprint)
            self._index = index
        return index.labels.get(fingerprint)
