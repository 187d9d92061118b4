"""The audit report: what an audit has found, as one HTML file in Chinese and English that can be printed."""
