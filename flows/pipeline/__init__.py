"""The Prefect flows: prepare-data, train-manager, train-answerer, evaluate, and memory-r1-pipeline over them."""

from memory_r1.flows.pipeline.data import prepare_data
from memory_r1.flows.pipeline.evaluation import evaluate
from memory_r1.flows.pipeline.pipeline import memory_r1_pipeline
from memory_r1.flows.pipeline.training import train_answerer, train_manager

__all__ = ["evaluate", "memory_r1_pipeline", "prepare_data", "train_answerer", "train_manager"]
