"""What a reconstruction did, as numbers and as one web page: overlay, curves, residuals, jitter."""

from recon.report.write import write_report

__all__ = ["write_report"]
