"""The steps that a data set is cleaned with, one a module; see `inhouse.data.step`."""
