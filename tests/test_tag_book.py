"""TagBook: which values are their tag's first, and what is remarked."""

from __future__ import annotations

from tbio.tag_book import News, TagBook


def test_the_first_value_of_each_tag() -> None:
    book = TagBook()
    assert book.meet("a", "scalar", 0)
    assert not book.meet("a", "scalar", 1)
    assert book.meet("b", "text", 0)
    assert book.meet("A", "scalar", 0)  # another tag
    assert book.meet("", "scalar", 0)
    assert book.news() == News(["a", "b", "A", ""], [])
    assert book.news() == News([], [])  # told once


def test_a_step_that_goes_back() -> None:
    book = TagBook()
    for step in (5, 5, 7, 6, 8, 2, -1):
        book.meet("a", "scalar", step)
    book.meet("b", "scalar", 1)
    words = "'a': step 6 after step 7; TensorBoard may hide the points in between"
    assert book.news().remarks == [words]
    book.meet("b", "scalar", 0)  # each tag once
    words = "'b': step 0 after step 1; TensorBoard may hide the points in between"
    assert book.news().remarks == [words]


def test_another_kind() -> None:
    book = TagBook()
    for kind in ("scalar", "text", "scalar", "image"):
        book.meet("a", kind, 0)
    remark = "'a': text after scalar; TensorBoard shows a tag as one kind only"
    assert book.news().remarks == [remark]


def test_both_at_once() -> None:
    book = TagBook()
    book.meet("a", "scalar", 5)
    assert not book.meet("a", "text", 3)
    step, kind = book.news().remarks
    assert step.startswith("'a': step 3 after step 5")
    assert kind.startswith("'a': text after scalar")


def test_what_was_not_written_is_met_again() -> None:
    book = TagBook()
    book.meet("a", "scalar", 5)
    book.meet("b", "scalar", 5)
    book.forget(["a", "never met"])
    assert book.meet("a", "text", 3)  # first again: neither kind nor step are held against it
    assert not book.meet("b", "scalar", 6)
    assert book.news().remarks == []


def test_a_file_that_begins_anew() -> None:
    book = TagBook()
    for step in (5, 4):
        book.meet("a", "scalar", step)
    book.clear()
    news = book.news()
    assert news.tags == []
    assert len(news.remarks) == 1  # what is to be told is still to be told
    assert book.meet("a", "text", 1)
    book.meet("a", "text", 0)
    assert book.news() == News(["a"], [])  # ... and not twice


def test_tags_are_shown_as_python_writes_them() -> None:
    book = TagBook()
    for step in (1, 0):
        book.meet("a\n'b", "scalar", step)
    assert book.news().remarks[0].startswith('"a\\n\'b": step 0')
