"""Read and write TensorBoard event files, without TensorFlow."""

__version__ = "0.1.0"
