"""Accuracy and speed of a model through any engine. No torch.

Modules: ``evaluation`` (accuracy over a data set), ``speed`` (latency and throughput), ``results`` (what a
benchmark found), ``tables`` (as text, Markdown and CSV), ``benchmark`` (all of it in one run).
"""
