"""decontam keeps LLM output, API traces, personal data and secrets out of training data, and shows why."""

from decontam.types import Action, Field, Finding, Record, Span, Strength, Verdict

__version__ = "0.1.0"
__all__ = ["Action", "Field", "Finding", "Record", "Span", "Strength", "Verdict", "__version__"]
