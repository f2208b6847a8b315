from django.contrib import admin
from django.urls import path

from shop.back_office import back_office

urlpatterns = [path("admin/", admin.site.urls), path("office/", back_office.urls)]
