using Distributed.Core.Reduction;
using Distributed.Transport.Buffers;

namespace Distributed.Shared.Tests.Links;

/// <summary>A pool that records its buffers and checks that each was returned once.</summary>
internal sealed class PooledBuffers(VectorLayout layout)
{
    private readonly HashSet<VectorBuffer> _rented = new(ReferenceEqualityComparer.Instance);
    private readonly Lock _lock = new();

    public VectorPool Pool { get; } = new(layout);

    public VectorBuffer Rent()
    {
        lock (_lock)
        {
            var buffer = Pool.Rent();
            _rented.Add(buffer);
            return buffer;
        }
    }

    /// <summary>Fails if a buffer is still held, or is in the pool twice.</summary>
    public void AssertAllReturned()
    {
        lock (_lock)
        {
            var again = Enumerable.Range(0, _rented.Count).Select(_ => Pool.Rent()).ToList();
            Assert.True(_rented.SetEquals(again), $"{_rented.Except(again).Count()} of {_rented.Count} buffers are not back");
            var fresh = Pool.Rent();
            Assert.DoesNotContain(fresh, _rented);
            fresh.Release();
            again.ForEach(b => b.Release());
        }
    }
}
