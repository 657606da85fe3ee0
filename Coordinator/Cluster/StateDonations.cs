using Distributed.Core.Reduction;
using Distributed.Transport.Links;
using Distributed.Transport.Pipes;

namespace Distributed.Coordinator.Cluster;

/// <summary>The states that were requested from workers, and their receivers. Used under the gate of the links.</summary>
internal sealed class StateDonations
{
    private readonly Dictionary<string, Queue<Donation>> _expected = new(StringComparer.Ordinal);
    private int _generation;

    private sealed record Donation(int Generation, StateAssembly Assembly, Action<long, byte[]> Received, List<string> Receivers);

    public void Expect(string donor, int generation, long bytes, Action<long, byte[]> received) =>
        Enqueue(donor, generation, bytes, received, []);

    /// <returns>Whether to ask the donor; false if its state is already on the way to another worker, and now goes to both.</returns>
    public bool PassOn(string donor, string receiver, int generation, long bytes, Action<string, long, byte[]> send)
    {
        if (generation == _generation
            && _expected.GetValueOrDefault(donor)?.LastOrDefault(donation => donation.Receivers.Count > 0) is { } running)
        {
            running.Receivers.Add(receiver);
            return false;
        }
        List<string> receivers = [receiver];
        Enqueue(donor, generation, bytes, (applied, state) => receivers.ForEach(there => send(there, applied, state)), receivers);
        return true;
    }

    public void Remove(string donor) => _expected.Remove(donor);

    public void Take(string donor, in FrameHeader header, ReadOnlySpan<byte> payload)
    {
        if (header.Generation < _generation) return;
        if (!_expected.TryGetValue(donor, out var queue) || !queue.TryPeek(out var donation) || donation.Generation != header.Generation)
            throw new LinkException($"{donor} sent an unrequested state");
        if (donation.Assembly.Add(header, payload) is not { } state) return;
        queue.Dequeue();
        donation.Received(header.Round, state);
    }

    private void Enqueue(string donor, int generation, long bytes, Action<long, byte[]> received, List<string> receivers)
    {
        if (generation > _generation) _expected.Clear();
        _generation = generation;
        if (!_expected.TryGetValue(donor, out var queue)) _expected[donor] = queue = new();
        queue.Enqueue(new(generation, new(bytes), received, receivers));
    }
}
