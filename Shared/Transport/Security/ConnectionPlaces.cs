using System.Net;
using System.Net.Sockets;

namespace Distributed.Transport.Security;

// Bounds the number of open connections of a port. When all places are taken, a new connection evicts the one that has been silent
// longest, among those of the address with the most places: an address that floods the port evicts its own. Thread-safe.
internal sealed class ConnectionPlaces(int capacity)
{
    private const int SubnetBytes = 8;

    private readonly Lock _lock = new();
    private readonly Dictionary<string, int> _held = new(StringComparer.Ordinal);

    // The places that can be evicted, the longest silent first.
    private readonly LinkedList<Place> _silent = [];
    private int _taken;

    public int Taken => Volatile.Read(ref _taken);

    /// <summary>The address, or the first half of an IPv6 address, as one machine may have many; empty if unknown.</summary>
    public static string OriginOf(EndPoint? remote)
    {
        if (remote is not IPEndPoint { Address: var address }) return "";
        if (address.IsIPv4MappedToIPv6) address = address.MapToIPv4();
        return address.AddressFamily == AddressFamily.InterNetworkV6
            ? Convert.ToHexString(address.GetAddressBytes(), 0, SubnetBytes)
            : $"{address}";
    }

    /// <summary>Takes a place for a connection that is silent so far.</summary>
    /// <param name="evict">Closes the connection. Called at most once, by the thread of a newer connection; must not wait.</param>
    /// <returns>Null if every place is taken by a connection that is not silent.</returns>
    public Place? Enter(string origin, Action evict)
    {
        Place? victim = null;
        var place = new Place(this, origin, evict);
        lock (_lock)
        {
            if (_taken >= capacity)
            {
                victim = Victim(origin);
                if (victim is null) return null;
                Remove(victim);
            }
            _taken++;
            _held[origin] = HeldBy(origin) + 1;
            place.Node = _silent.AddLast(place);
        }
        victim?.Evict();
        return place;
    }

    private Place? Victim(string newcomer)
    {
        Place? victim = null;
        var most = 0;
        foreach (var place in _silent)
        {
            var held = HeldBy(place.Origin) + (place.Origin == newcomer ? 1 : 0);
            if (held > most) (victim, most) = (place, held);
        }
        return victim;
    }

    private int HeldBy(string origin) => _held.GetValueOrDefault(origin);

    private void Remove(Place place)
    {
        if (place.IsGone) return;
        place.IsGone = true;
        Silence(place, isSilent: false);
        _taken--;
        var held = HeldBy(place.Origin) - 1;
        if (held > 0) _held[place.Origin] = held;
        else _held.Remove(place.Origin);
    }

    private void Silence(Place place, bool isSilent)
    {
        if (place.Node is { } node) _silent.Remove(node);
        place.Node = isSilent && !place.IsGone ? _silent.AddLast(place) : null;
    }

    /// <summary>The place of one connection until disposed.</summary>
    internal sealed class Place(ConnectionPlaces places, string origin, Action evict) : IDisposable
    {
        internal Action Evict => evict;
        internal string Origin => origin;
        internal LinkedListNode<Place>? Node { get; set; }

        internal bool IsGone { get; set; }

        /// <summary>Protects the connection from eviction until <see cref="MarkSilent"/>.</summary>
        public void MarkServed()
        {
            lock (places._lock) places.Silence(this, isSilent: false);
        }

        public void MarkSilent()
        {
            lock (places._lock) places.Silence(this, isSilent: true);
        }

        public void Dispose()
        {
            lock (places._lock) places.Remove(this);
        }
    }
}
