using System.Net;
using System.Net.Sockets;

namespace Distributed.Transport.Security;

/// <summary>
/// The connections that a port holds open, in bounded number. When all places are taken, a newcomer gets that of the connection that has been
/// silent for longest, among those of the address that holds most places: an address that floods the port evicts its own. Safe from every thread.
/// </summary>
internal sealed class ConnectionPlaces(int capacity)
{
    private const int SubnetBytes = 8;

    private readonly Lock _lock = new();
    private readonly Dictionary<string, int> _held = new(StringComparer.Ordinal);

    // Those that can be evicted, the longest silent first.
    private readonly LinkedList<Place> _silent = [];
    private int _taken;

    public int Taken
    {
        get { lock (_lock) return _taken; }
    }

    /// <summary>Whose connection it is: the address, or of IPv6, where one machine has as many as it likes, the first half of it.</summary>
    public static string OriginOf(EndPoint? remote)
    {
        if (remote is not IPEndPoint { Address: var address }) return "";
        if (address.IsIPv4MappedToIPv6) address = address.MapToIPv4();
        return address.AddressFamily == AddressFamily.InterNetworkV6 ? Convert.ToHexString(address.GetAddressBytes(), 0, SubnetBytes) : $"{address}";
    }

    /// <summary>Takes a place for a connection that has said nothing yet.</summary>
    /// <param name="origin">See <see cref="OriginOf"/>.</param>
    /// <param name="evict">Closes the connection. Called at most once, by the thread of a newcomer; must not wait.</param>
    /// <returns>Null where every place is taken by a connection that is not silent.</returns>
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
                victim.IsEvicted = true;
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

    /// <summary>The place of one connection, which leaves it when this is disposed.</summary>
    internal sealed class Place : IDisposable
    {
        private readonly ConnectionPlaces _places;
        private readonly Action _evict;
        private volatile bool _isEvicted;

        internal Place(ConnectionPlaces places, string origin, Action evict) => (_places, Origin, _evict) = (places, origin, evict);

        public bool IsEvicted
        {
            get => _isEvicted;
            internal set => _isEvicted = value;
        }

        internal string Origin { get; }

        internal LinkedListNode<Place>? Node { get; set; }

        internal bool IsGone { get; set; }

        /// <summary>The connection is served: until <see cref="MarkSilent"/> it cannot be evicted.</summary>
        public void MarkServed()
        {
            lock (_places._lock) _places.Silence(this, isSilent: false);
        }

        /// <summary>The connection is open and says nothing, from now on.</summary>
        public void MarkSilent()
        {
            lock (_places._lock) _places.Silence(this, isSilent: true);
        }

        public void Dispose()
        {
            lock (_places._lock) _places.Remove(this);
        }

        internal void Evict() => _evict();
    }
}
