"""HTTP in as many worker processes as one likes; the WebSockets are another's.

    FANWIRE_REDIS_URL=redis://127.0.0.1 python -m fanwire run live:hub
    FANWIRE_REDIS_URL=redis://127.0.0.1 gunicorn --workers 4 wsgi:application
"""
import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "settings")

application = get_wsgi_application()
