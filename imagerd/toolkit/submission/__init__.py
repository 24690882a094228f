# SPDX-License-Identifier: Apache-2.0
"""What redump.org asks of a dump, filled in as far as an image tells it.

``tap``     counts and hashes along while the tracks are hashed: the disc is read once
``volume``  hex dumps of the volume descriptor and of consoles' headers, the date of a program
``facts``   all that could be found out
``form``    the same under the field names of the form, as text and for programs

The fields, their order and the words of what a person must fill in are those of MPF
(SabreTools.RedumpLib: Data/Template.cs, Formatter.cs, Data/SubmissionInfo.cs).
"""
