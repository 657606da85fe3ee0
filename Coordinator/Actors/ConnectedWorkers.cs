using System.Text.RegularExpressions;
using Akka.Actor;
using Distributed.Shared.Processes;
using Distributed.Shared.Protocol;

namespace Distributed.Coordinator.Actors;

/// <summary>The workers that are connected, by name and by actor. Used by one thread at a time.</summary>
internal sealed partial class ConnectedWorkers
{
    private readonly Dictionary<string, (IActorRef Ref, string Device)> _workers = new(StringComparer.Ordinal);
    private readonly Dictionary<IActorRef, string> _names = [];
    private readonly HashSet<string> _adopted = new(StringComparer.Ordinal);

    /// <summary>Their names.</summary>
    public IReadOnlyCollection<string> Names => _workers.Keys;

    /// <summary>The name of a worker; null for anybody else.</summary>
    public string? NameOf(IActorRef sender) => _names.GetValueOrDefault(sender);

    /// <summary>What a worker computes with; null where there is none of that name.</summary>
    public string? DeviceOf(string worker) => _workers.TryGetValue(worker, out var there) ? there.Device : null;

    /// <summary>Why a newcomer cannot be taken in, in a user's words; null if it can.</summary>
    public static string? FaultOf(Register register) =>
        register.Version != ProtocolSerializer.Version ? ProtocolSerializer.Difference(register.Version)
        : !AllowedName().IsMatch(register.Name) ? "its name is not allowed; allowed are 1 to 63 letters, digits, dots, dashes and underscores"
        : null;

    /// <summary>What is wrong with a worker's report that it is prepared, in a user's words; null for nothing.</summary>
    public string? FaultOf(string worker, Prepared prepared) =>
        prepared.Holding == default || _adopted.Contains(worker) ? null : "it reports that it holds rounds of the job, with which it was not taken in";

    /// <summary>A worker is told whether it goes on with what it holds of the job, as it has proved to have had a part in it.</summary>
    public void Welcomed(string worker, bool isAdopted)
    {
        if (isAdopted) _adopted.Add(worker);
        else _adopted.Remove(worker);
    }

    /// <summary>Takes one in, under the name that it would like to have or one like it.</summary>
    /// <returns>Its name.</returns>
    public string Add(IActorRef newcomer, Register register)
    {
        var worker = register.Name;
        for (var i = 2; _workers.ContainsKey(worker); i++) worker = $"{register.Name}-{i}";
        _workers[worker] = (newcomer, Shown.Of(register.Device));
        _names[newcomer] = worker;
        return worker;
    }

    /// <summary>One is gone.</summary>
    /// <returns>Its actor; null where there was none of that name.</returns>
    public IActorRef? Remove(string worker)
    {
        if (!_workers.Remove(worker, out var removed)) return null;
        _names.Remove(removed.Ref);
        _adopted.Remove(worker);
        return removed.Ref;
    }

    /// <summary>Tells one of them, if it is there.</summary>
    public void Tell(string worker, ICoordinatorMessage message)
    {
        if (_workers.TryGetValue(worker, out var there)) there.Ref.Tell(message);
    }

    /// <summary>Tells all of them.</summary>
    public void TellAll(ICoordinatorMessage message)
    {
        foreach (var (there, _) in _workers.Values) there.Tell(message);
    }

    [GeneratedRegex(@"\A[A-Za-z0-9._-]{1,63}\z")]
    private static partial Regex AllowedName();
}
