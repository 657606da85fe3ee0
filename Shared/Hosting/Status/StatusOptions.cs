using System.Collections.ObjectModel;
using Microsoft.AspNetCore.Http;

namespace Distributed.Hosting.Status;

/// <summary>What a <see cref="StatusServer"/> answers beside metrics and probes, and to whom.</summary>
internal sealed record StatusOptions
{
    /// <summary>What it can be asked to do, by whoever is on this machine; null for nothing.</summary>
    public StatusCommand? Command { get; init; }

    /// <summary>What else there is to read: exact paths, and what answers a GET or HEAD there. Looked at for every request, from any thread.</summary>
    public IReadOnlyDictionary<string, RequestDelegate> Pages { get; init; } = ReadOnlyDictionary<string, RequestDelegate>.Empty;

    /// <summary>Under which names it answers.</summary>
    public HostNames Names { get; init; } = new();

    /// <summary>What a reader must hold; null where everybody who reaches the server may read.</summary>
    public ReaderToken? Token { get; init; }

    /// <summary>Whether all of <see cref="Pages"/> are there; until then the server answers 503 where it would answer 404.</summary>
    public Func<bool> IsComplete { get; init; } = () => true;
}
