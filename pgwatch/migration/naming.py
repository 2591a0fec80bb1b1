"""Names that PostgreSQL makes up for constraints and indexes (makeObjectName, indexcmds.c). Pure."""

_BYTES = 63  # NAMEDATALEN - 1


def made_name(*parts: str, label: str) -> str:
    """Return `table_columns_label`, cut to what a name may have."""
    first, second = parts[0].encode(), "_".join(parts[1:]).encode()
    room = _BYTES - len(label) - 1 - (1 if second else 0)
    while len(first) + len(second) > room:
        if len(first) > len(second):
            first = first[:-1]
        else:
            second = second[:-1]
    words = [word.decode(errors="ignore") for word in (first, second) if word]
    return "_".join([*words, label])
