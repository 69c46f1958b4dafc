"""The policy without a model: extractor, manager and answerer by rules."""

from memory_r1.graphs.rules.answer import RulesAnswerer
from memory_r1.graphs.rules.facts import RulesExtractor
from memory_r1.graphs.rules.manage import RulesManager

__all__ = ["RulesAnswerer", "RulesExtractor", "RulesManager"]
