"""A second admin site, for other people."""

from django.contrib.admin import AdminSite
from people.models import Person

back_office = AdminSite(name="office")
back_office.register(Person)
