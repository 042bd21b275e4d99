"""Training of learned methods: parameters, the loop, judging on validation, checkpoints."""

from methods.training.checkpoint import Checkpointing
from methods.training.learned import LearnedRetriever
from methods.training.loop import train_model
from methods.training.model import RankingModel
from methods.training.params import TrainingParams
from methods.training.scored import loss_of_scores
from methods.training.trained import Trained, histories, seconds_taken_over

__all__ = [
    "Checkpointing",
    "LearnedRetriever",
    "RankingModel",
    "Trained",
    "TrainingParams",
    "histories",
    "loss_of_scores",
    "seconds_taken_over",
    "train_model",
]
