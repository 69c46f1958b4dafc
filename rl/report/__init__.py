"""Reports: an evaluation as one page for people and one table for papers."""

from .write import Report, write_report

__all__ = ["Report", "write_report"]
