"""The network: stacked bidirectional LSTMs that transformers' Auto classes know once this package is imported.

Imports only torch, transformers and itself: a published model takes these files along, and runs without the rest.
"""

from transformers import AutoConfig, AutoModel, AutoModelForSequenceClassification

from .configuration_textlstm import TextLSTMConfig
from .modeling_textlstm import TextLSTMForSequenceClassification, TextLSTMModel

__all__ = ["TextLSTMConfig", "TextLSTMForSequenceClassification", "TextLSTMModel"]

AutoConfig.register(TextLSTMConfig.model_type, TextLSTMConfig)
AutoModel.register(TextLSTMConfig, TextLSTMModel)
AutoModelForSequenceClassification.register(TextLSTMConfig, TextLSTMForSequenceClassification)
