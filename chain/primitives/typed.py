"""What people type, normalised once: the same words are the same text, and there is something to see in it.

For texts before they are signed, and for searches. Nothing under a root depends on it: Unicode's tables change.
"""

import unicodedata


def typed(text: str) -> str:
    """A text in the composed form (NFC), without characters that show nothing (zero-width ones, marks of direction
    and of byte order), every run of white space one space, none at its ends.
    """
    composed = unicodedata.normalize("NFC", text)
    return " ".join("".join(char for char in composed if unicodedata.category(char) != "Cf").split())
