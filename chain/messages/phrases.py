"""Sentences and words of programs, in the language of whoever reads them now: what was done, what is wrong with a file
or a command, heads of tables. The English stands where it is said; its Chinese is in the catalogue beside this.
"""

from chain.messages.languages import LANGUAGE
from chain.messages.phrases_chinese import PHRASES, TABLE_WORDS


def phrase(template: str, /, **values: object) -> str:
    """A sentence, with values in the places that its English names (``str.format``)."""
    if LANGUAGE.get() == "zh":
        template = PHRASES.get(template, template)
    return template.format_map(values)


def table_word(word: str) -> str:
    """The head of a column, or the name of a fact."""
    return TABLE_WORDS.get(word, word) if LANGUAGE.get() == "zh" else word
