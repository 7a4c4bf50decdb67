"""Views that speak to WebSocket clients, without knowing which process serves them."""
import json

from django.core import signing
from django.http import HttpResponse, JsonResponse
from django.views.decorators.http import require_POST

import live


@require_POST
def notify(request):
    note = json.loads(request.body)
    live.sender().send_user(note["user"], note["text"])
    return HttpResponse(status=202)


@require_POST
def token(request):
    """What a page shows when it connects. A real application signs request.user here,
    for whoever has logged in, and not what anybody claims."""
    user = json.loads(request.body)["user"]
    return JsonResponse({"token": signing.dumps(user, salt="websocket")})
