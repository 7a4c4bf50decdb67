"""As little of Django as the example needs: no database, no templates."""
import os

SECRET_KEY = os.environ.get("SECRET_KEY", "for trying out only")
ALLOWED_HOSTS = ["localhost", "127.0.0.1"]
ROOT_URLCONF = "urls"
INSTALLED_APPS = []
MIDDLEWARE = []
USE_TZ = True

# The same variable that tells the hub: one place for both.
REDIS_URL = os.environ.get("FANWIRE_REDIS_URL")
