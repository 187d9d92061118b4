"""What every test shares: reproducible hypothesis runs that print what is needed to repeat a failure."""

from hypothesis import HealthCheck, settings

settings.register_profile("blockpool", print_blob=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("blockpool")
