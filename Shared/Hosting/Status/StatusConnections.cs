using Distributed.Transport.Security;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Http;

namespace Distributed.Hosting.Status;

/// <summary>
/// Keeps the connections of a server to their number: whoever connects and asks for nothing makes room for the next one, so that strangers cannot
/// keep probes out.
/// </summary>
/// <param name="refused">Is told of each connection that is closed for want of room.</param>
internal sealed class StatusConnections(int capacity, Action<Refusal> refused)
{
    private readonly ConnectionPlaces _places = new(capacity);

    public int Open => _places.Taken;

    /// <summary>Lets a connection in, or another one out.</summary>
    public ConnectionDelegate Limit(ConnectionDelegate next) => async connection =>
    {
        using var place = _places.Enter(ConnectionPlaces.OriginOf(connection.RemoteEndPoint), () =>
        {
            refused(Refusal.Crowded);
            connection.Abort();
        });
        if (place is null)
        {
            refused(Refusal.Crowded);
            connection.Abort();
            return;
        }
        connection.Features.Set(place);
        await next(connection).ConfigureAwait(false);
    };

    /// <summary>From now on a request is answered: its connection stays until the answer has left.</summary>
    public static void Serve(HttpContext context)
    {
        if (context.Features.Get<ConnectionPlaces.Place>() is not { } place) return;
        place.MarkServed();
        context.Response.OnCompleted(() =>
        {
            place.MarkSilent();
            return Task.CompletedTask;
        });
    }
}
