"""What can be asked by HTTP."""
from django.urls import path

import views

urlpatterns = [path("notify", views.notify), path("token", views.token)]
