"""The words of `words`, under the name that they had."""

from words import ENGLISH, LANGUAGES, LOCALES, Sentence, number, sentences, speaking, spoken, t

__all__ = ["ENGLISH", "LANGUAGES", "LOCALES", "Sentence", "number", "sentences", "speaking", "spoken", "t"]
