"""Ids that were taken for numbers and shortened: several have become one, and nobody can tell which.

A spreadsheet shows a long number as 1.23457E+17 and saves it so, a program writes one as 1.23457e+17 or 1.23457E17. An id like
``7e15``, as a hash may be, is none: without a plus sign there is a point in it.
"""

#: SQL of the first such id of a record, by its JSON as ``value``; empty where it has none.
SHORTENED_ID = 'regexp_extract(value, \'_id":"(?:[^"]*-)?(\\d(?:\\.\\d+[eE]\\+?|[eE]\\+)\\d\\d)"\', 1)'
#: Why a row gave no record, behind the topic.
SHORTENED = "an id was taken for a number and shortened, so several may be one; keep ids as texts"
