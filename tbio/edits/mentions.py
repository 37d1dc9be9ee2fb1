"""Mentions: where a log speaks of its tags and runs elsewhere than on their values.

* Metrics of hyperparameters: a tag, and a run from the session's one on (hparams.proto, MetricName;
  tensorboard/plugins/hparams/metrics.py).
* Layouts of custom scalars: margin charts by tag, multiline charts by regular expressions, which
  are renamed only where one is a tag as it is, or escaped (plugins/custom_scalar/).
* ``projector_config.pbtxt``: names of embeddings, which nothing but the config knows.

What cannot be renamed becomes a remark.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping
from typing import Any

from google.protobuf import text_encoding

from tbio import plugins, tensor
from tbio.edits.renames import Renames
from tbio.errors import DecodeError
from tbio.proto import PARSE_ERRORS
from tbio.proto.hparams_pb2 import Experiment, HParamsPluginData
from tbio.proto.layout_pb2 import Layout
from tbio.proto.summary_pb2 import Summary

#: A string of protobuf's text format, one of several pieces or not.
_NAME = re.compile(rb'(\btensor_name\s*:\s*)("(?:[^"\\\n]|\\.)*"|\'(?:[^\'\\\n]|\\.)*\')')
#: What torch and tensorboardX put behind the tag of an embedding.
_SUFFIX = re.compile(r":\d+$")


class Mentions:
    """What is to be said in place of old names.

    Args:
        tags: old tag -> new one, of those that change.
        runs: old run -> new one, of all that are kept.
        shift: seconds to add to the times at which sessions began and ended.

    Attributes:
        remarks: what cannot be renamed, as sentences.
    """

    def __init__(self, tags: Mapping[str, str], runs: Mapping[str, str], shift: float) -> None:
        self._tags = tags
        self._runs = runs
        self._moves = any(old != new for old, new in runs.items())
        self._shift = shift
        self.remarks: dict[str, None] = {}

    def edited(self, value: Summary.Value, plugin: str) -> Summary.Value | None:
        """A value that speaks of other names, with the new ones; None where nothing changes."""
        if plugin == plugins.HPARAMS and (self._tags or self._moves or self._shift):
            return self._hparams(value)
        if plugin == plugins.CUSTOM_SCALARS and self._tags:
            return self._layout(value)
        return None

    def _hparams(self, value: Summary.Value) -> Summary.Value | None:
        try:
            data = HParamsPluginData.FromString(value.metadata.plugin_data.content)
        except PARSE_ERRORS:
            return None
        before = data.SerializeToString(deterministic=True)
        if data.HasField("experiment"):
            self._rename_metrics(data.experiment)
        if data.HasField("session_start_info") and data.session_start_info.start_time_secs:
            data.session_start_info.start_time_secs += self._shift
        if data.HasField("session_end_info") and data.session_end_info.end_time_secs:
            data.session_end_info.end_time_secs += self._shift
        content = data.SerializeToString(deterministic=True)
        if content == before:
            return None
        new = Summary.Value()
        new.CopyFrom(value)
        new.metadata.plugin_data.content = content
        return new

    def _rename_metrics(self, experiment: Experiment) -> None:
        for metric in experiment.metric_infos:
            metric.name.tag = self._tags.get(metric.name.tag, metric.name.tag)
            group = metric.name.group
            if self._moves and group not in ("", "."):
                news = set(self._groups(group))
                if len(news) == 1:
                    metric.name.group = news.pop()
                elif news:
                    self._remark(f"hparams: metric {metric.name.tag!r} of run {group!r} is kept")

    def _groups(self, group: str) -> Iterator[str]:
        """The new relative path to a metric's run, from each session's run that has such a one."""
        for session, new in self._runs.items():
            run = self._runs.get(posixpath.normpath(posixpath.join(session, group)))
            if run is not None:
                yield posixpath.relpath(run, new)

    def _layout(self, value: Summary.Value) -> Summary.Value | None:
        try:
            [data] = tensor.decode(value.tensor).ravel().tolist()
            layout = Layout.FromString(data)
        except (DecodeError, ValueError, TypeError, *PARSE_ERRORS):
            return None
        before = layout.SerializeToString(deterministic=True)
        for category in layout.category:
            for chart in category.chart:
                for series in chart.margin.series if chart.HasField("margin") else ():
                    for name in ("value", "lower", "upper"):
                        old = getattr(series, name)
                        setattr(series, name, self._tags.get(old, old))
                if chart.HasField("multiline"):
                    patterns: Any = chart.multiline.tag
                    patterns[:] = [self._pattern(one, chart.title) for one in patterns]
        content = layout.SerializeToString(deterministic=True)
        if content == before:
            return None
        new = Summary.Value()
        new.CopyFrom(value)
        new.tensor.string_val[:] = [content]
        return new

    def _pattern(self, pattern: str, chart: str) -> str:
        for old, new in self._tags.items():
            if pattern == old:
                return new if re.escape(old) != old else re.escape(new)
            if pattern == re.escape(old):
                return re.escape(new)
        try:
            found = [old for old in self._tags if re.match(pattern, old)]
        except re.error:
            return pattern
        if found:
            self._remark(
                f"custom scalars: chart {chart!r} finds {found[0]!r} by the expression "
                f"{pattern!r}, which is kept"
            )
        return pattern

    def _remark(self, words: str) -> None:
        self.remarks.setdefault(words)


def projector_config(text: bytes, renames: Renames) -> bytes:
    r"""A ``projector_config.pbtxt`` with new names of embeddings; all else in it stays.

    >>> projector_config(b'embeddings { tensor_name: "a:0" }', Renames({"a": "b"}, "tags"))
    b'embeddings { tensor_name: "b:0" }'
    """

    def renamed(match: re.Match[bytes]) -> bytes:
        raw: Any = match[2][1:-1].decode("utf-8", "surrogateescape")
        try:
            name = text_encoding.CUnescape(raw).decode()
        except ValueError:
            return match[0]
        tag = _SUFFIX.sub("", name)
        new = renames(name) if renames(name) != name else renames(tag) + name[len(tag) :]
        if new == name:
            return match[0]
        escaped: str = text_encoding.CEscape(new.encode(), as_utf8=True)
        return match[1] + b'"' + escaped.encode() + b'"'

    return _NAME.sub(renamed, text)
