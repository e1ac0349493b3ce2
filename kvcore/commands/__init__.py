"""Redis commands, one file a group; each file reads as an index of its group.

Importing this package declares them all in :data:`kvcore.command.REGISTRY`.
"""

from kvcore.commands import access_control as access_control
from kvcore.commands import bitmaps as bitmaps
from kvcore.commands import clients as clients
from kvcore.commands import cluster as cluster
from kvcore.commands import configuration as configuration
from kvcore.commands import connection as connection
from kvcore.commands import databases as databases
from kvcore.commands import debug as debug
from kvcore.commands import dumping as dumping
from kvcore.commands import expiration as expiration
from kvcore.commands import functions as functions
from kvcore.commands import geo as geo
from kvcore.commands import hash_expiration as hash_expiration
from kvcore.commands import hashes as hashes
from kvcore.commands import hyperloglogs as hyperloglogs
from kvcore.commands import info as info
from kvcore.commands import introspection as introspection
from kvcore.commands import keydb as keydb
from kvcore.commands import keydb_cron as keydb_cron
from kvcore.commands import keys as keys
from kvcore.commands import latency as latency
from kvcore.commands import lcs as lcs
from kvcore.commands import lists as lists
from kvcore.commands import lists_blocking as lists_blocking
from kvcore.commands import member_expiration as member_expiration
from kvcore.commands import memory as memory
from kvcore.commands import migrating as migrating
from kvcore.commands import modules as modules
from kvcore.commands import nested_hashes as nested_hashes
from kvcore.commands import persistence as persistence
from kvcore.commands import pubsub as pubsub
from kvcore.commands import replication as replication
from kvcore.commands import scanning as scanning
from kvcore.commands import scripting as scripting
from kvcore.commands import server as server
from kvcore.commands import sets as sets
from kvcore.commands import slowlog as slowlog
from kvcore.commands import sorted_sets as sorted_sets
from kvcore.commands import sorted_sets_algebra as sorted_sets_algebra
from kvcore.commands import sorted_sets_pop as sorted_sets_pop
from kvcore.commands import sorted_sets_ranges as sorted_sets_ranges
from kvcore.commands import sorting as sorting
from kvcore.commands import stream_groups as stream_groups
from kvcore.commands import streams as streams
from kvcore.commands import streams_info as streams_info
from kvcore.commands import streams_reading as streams_reading
from kvcore.commands import strings as strings
from kvcore.commands import tracking as tracking
from kvcore.commands import transactions as transactions
from kvcore.commands import waiting as waiting
