"""The self-contained HTML report of a comparison."""

from querist.report.page import render_report

__all__ = ["render_report"]
