"""Adapters: tbio in the libraries that people train with, a module a library.

Each has the name and the arguments of the library's own TensorBoard class, so that one import is
what changes; neither tensorboard nor tensorboardX nor TensorFlow has to be installed, unless the
library itself asks for it. Where a library takes a writer as an object, a `tbio.SummaryWriter` will
do as it is, and there is nothing here for it.

=====================  ===================================================
`lightning`            `TensorBoardLogger`
`transformers`         `TensorBoardCallback`
`accelerate`           `TensorBoardTracker`
`stable_baselines3`    `TensorBoardOutputFormat`, `configure`
`ray`                  `TBXLoggerCallback`
`optuna`               `TensorBoardCallback`
`ignite`               `TensorboardLogger`
`skrl`                 `SummaryWriter`
`xgboost`              `TensorBoardCallback`
`lightgbm`             `TensorBoardCallback`
`sklearn`              `write_step`, `write_curves`, `write_search`
`clu`, `flax`          `SummaryWriter`
=====================  ===================================================

A module is imported by its own name, and that is when it loads its library.
"""
