using System.Net;
using Distributed.Transport.Security;

namespace Distributed.Shared.Tests.Security;

public sealed class ConnectionPlacesTests
{
    [Fact]
    public void The_address_that_floods_evicts_its_own_and_the_longest_silent_first()
    {
        var places = new ConnectionPlaces(4);
        List<string> evicted = [];
        ConnectionPlaces.Place Enter(string origin, string name) => places.Enter(origin, () => evicted.Add(name))!;
        using var probe = Enter("kubelet", "probe");
        Enter("flood", "f1");
        Enter("flood", "f2");
        Enter("flood", "f3");
        for (var i = 4; i < 100; i++) Enter("flood", $"f{i}");
        Assert.Equal(Enumerable.Range(1, 96).Select(i => $"f{i}"), evicted);
        Assert.False(probe.IsGone);
        Assert.Equal(4, places.Taken);
    }

    [Fact]
    public void A_served_connection_is_never_evicted_and_if_all_are_a_new_one_is_refused()
    {
        var places = new ConnectionPlaces(2);
        var first = places.Enter("a", () => throw new InvalidOperationException())!;
        var second = places.Enter("a", () => throw new InvalidOperationException())!;
        first.MarkServed();
        second.MarkServed();
        Assert.Null(places.Enter("b", () => { }));
        second.Dispose();
        Assert.NotNull(places.Enter("b", () => { }));
    }

    [Fact]
    public void After_it_was_served_a_connection_is_evicted_last()
    {
        var places = new ConnectionPlaces(2);
        List<string> evicted = [];
        var first = places.Enter("a", () => evicted.Add("first"))!;
        places.Enter("a", () => evicted.Add("second"));
        first.MarkServed();
        first.MarkSilent();
        places.Enter("a", () => evicted.Add("third"));
        Assert.Equal(["second"], evicted);
        // Becoming silent does not restore a lost place.
        places.Enter("a", () => { });
        Assert.Equal(["second", "first"], evicted);
        first.MarkSilent();
        first.Dispose();
        Assert.Equal(2, places.Taken);
    }

    /// <summary>A new connection of an address without places always gets one while another connection is silent.</summary>
    [Fact]
    public void The_number_of_places_is_bounded() =>
        Gen.Select(Gen.Int[1, 6], Gen.Select(Gen.Int[0, 3], Gen.Int[0, 9], Gen.Int[0, 3]).Array[0, 200]).Sample((capacity, moves) =>
        {
            var places = new ConnectionPlaces(capacity);
            List<ConnectionPlaces.Place> open = [];
            HashSet<ConnectionPlaces.Place> served = [];
            foreach (var (move, which, origin) in moves)
            {
                if (move == 0 || open.Count == 0)
                {
                    var isFull = open.Count == capacity;
                    if (places.Enter($"{origin}", () => { }) is { } place) open.Add(place);
                    else Assert.True(isFull && open.All(served.Contains));
                    open.RemoveAll(one => one.IsGone);
                    served.RemoveWhere(one => one.IsGone);
                }
                else
                {
                    var place = open[which % open.Count];
                    if (move == 1) { place.Dispose(); open.Remove(place); served.Remove(place); }
                    if (move == 2) { place.MarkServed(); served.Add(place); }
                    if (move == 3) { place.MarkSilent(); served.Remove(place); }
                }
                Assert.Equal(open.Count, places.Taken);
                Assert.InRange(places.Taken, 0, capacity);
            }
        });

    [Theory]
    [InlineData("192.0.2.1", "192.0.2.1")]
    [InlineData("::ffff:192.0.2.1", "192.0.2.1")]
    [InlineData("2001:db8:1:2:3:4:5:6", "20010DB800010002")]
    public void An_origin_is_an_address_or_an_IPv6_subnet(string address, string origin) =>
        Assert.Equal(origin, ConnectionPlaces.OriginOf(new IPEndPoint(IPAddress.Parse(address), 1)));
}
