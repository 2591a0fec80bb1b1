"""What a statement that PostgreSQL's grammar refuses was to say, where that is beyond doubt. Pure."""

from collections.abc import Iterator

from pgwatch.migration.parse import UnparsableError, parse_statements, token_places

# PostgreSQL has these words with some kinds of objects, and people write them with others, such as
# ADD CONSTRAINT IF NOT EXISTS or CREATE OR REPLACE POLICY.
_IF_NOT_EXISTS = ("if", "not", "exists")
_OR_REPLACE = ("or", "replace")
_KNOWN_AFTER = "column"  # ADD COLUMN IF NOT EXISTS beside it is left as it is


def meant_by(text: str) -> str | None:
    """Return `text` without the words that the grammar does not know there; None where that is no cure."""
    for words in (_IF_NOT_EXISTS, _OR_REPLACE):
        try:
            shorter = _without(text, words)
            if shorter != text:
                parse_statements(shorter)
                return shorter
        except UnparsableError:
            continue
    return None


def _without(text: str, words: tuple[str, ...]) -> str:
    whole = text.encode()
    for start, end in reversed(list(_places(whole, words))):
        whole = whole[:start] + whole[end:].lstrip()
    return whole.decode()


def _places(text: bytes, words: tuple[str, ...]) -> Iterator[tuple[int, int]]:
    """Yield from where to where `words` stand in a text, outside of its literals and comments."""
    tokens = token_places(text.decode())
    spelled = [text[start:end].decode().lower() for start, end in tokens]
    count = len(words)
    for index in range(1, len(tokens) - count):
        if tuple(spelled[index : index + count]) == words and spelled[index - 1] != _KNOWN_AFTER:
            yield tokens[index][0], tokens[index + count - 1][1]
