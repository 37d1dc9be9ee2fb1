"""TensorBoard's plugins by name, and the kinds of data that tbio makes of them.

A *plugin* is what a log says (``SummaryMetadata.plugin_data.plugin_name``); a *kind* is where tbio
shows it (``run.scalars``, ``run.images``, ...). The names are those of the ``metadata.py`` of each
plugin in tensorboard/plugins/, and of tensorboard/dataclass_compat.py for what an event holds
beside its summary.
"""

from __future__ import annotations

SCALARS = "scalars"
HISTOGRAMS = "histograms"
IMAGES = "images"
AUDIO = "audio"
TEXT = "text"
PR_CURVES = "pr_curves"
MESH = "mesh"
HPARAMS = "hparams"
CUSTOM_SCALARS = "custom_scalars"
GRAPHS = "graphs"
GRAPH_RUN_METADATA = "graph_run_metadata"
GRAPH_RUN_METADATA_GRAPH = "graph_run_metadata_graph"
GRAPH_KERAS_MODEL = "graph_keras_model"
GRAPH_TAGGED_RUN_METADATA = "graph_tagged_run_metadata"

#: The tag under which TensorBoard lists a run's graph_def event (dataclass_compat.py).
RUN_GRAPH_TAG = "__run_graph__"
#: tbio's own name beside it: TensorBoard gives meta_graph_def events no tag.
META_GRAPH_TAG = "__meta_graph__"

#: Every kind, in the order in which listings show them.
KINDS = (
    "scalars",
    "histograms",
    "images",
    "audio",
    "texts",
    "pr_curves",
    "meshes",
    "tensors",
    "hparams",
    "layouts",
    "graphs",
)

_KIND_OF_PLUGIN = {
    SCALARS: "scalars",
    HISTOGRAMS: "histograms",
    IMAGES: "images",
    AUDIO: "audio",
    TEXT: "texts",
    PR_CURVES: "pr_curves",
    MESH: "meshes",
    HPARAMS: "hparams",
    CUSTOM_SCALARS: "layouts",
    GRAPHS: "graphs",
    GRAPH_RUN_METADATA: "graphs",
    GRAPH_RUN_METADATA_GRAPH: "graphs",
    GRAPH_KERAS_MODEL: "graphs",
    GRAPH_TAGGED_RUN_METADATA: "graphs",
}


def kind_of(plugin: str) -> str:
    """The kind under which tbio shows a plugin's data; an unknown plugin's are plain tensors.

    >>> kind_of("text"), kind_of("greeter")
    ('texts', 'tensors')
    """
    return _KIND_OF_PLUGIN.get(plugin, "tensors")
