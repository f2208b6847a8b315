from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, PermissionsMixin
from django.db import models


class People(BaseUserManager):
    def create_user(self, email, password=None, **more):
        person = self.model(email=email, **more)
        person.set_password(password)
        person.save()
        return person

    def create_superuser(self, email, password=None):
        return self.create_user(email, password, is_superuser=True)


class Person(AbstractBaseUser, PermissionsMixin):
    """Signs in by mail address; there is no user name, and nobody is inactive."""

    email = models.EmailField(unique=True)
    objects = People()
    USERNAME_FIELD = "email"
    is_staff = True

    def __str__(self):
        return self.email
