"""The network: stacked bidirectional LSTMs that transformers' Auto classes know once this package is imported.

Imports only torch, transformers and itself: a published model takes these files along, and runs without the rest.
"""

from transformers import AutoConfig, AutoModel, AutoModelForPreTraining, AutoModelForSequenceClassification

from .configuration_textlstm import TextLSTMConfig
from .language_modeling_textlstm import TextLSTMForLanguageModeling
from .modeling_textlstm import TextLSTMForSequenceClassification, TextLSTMModel

__all__ = ["TextLSTMConfig", "TextLSTMForLanguageModeling", "TextLSTMForSequenceClassification", "TextLSTMModel"]

AutoConfig.register(TextLSTMConfig.model_type, TextLSTMConfig)
AutoModel.register(TextLSTMConfig, TextLSTMModel)
AutoModelForPreTraining.register(TextLSTMConfig, TextLSTMForLanguageModeling)
AutoModelForSequenceClassification.register(TextLSTMConfig, TextLSTMForSequenceClassification)
