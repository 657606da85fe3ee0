using Distributed.Core.Planning;

namespace Distributed.Worker.Data;

/// <summary>Random numbers of one scene: the same on every machine, whatever was drawn for others.</summary>
internal sealed class SceneDraws(long seed, int scene)
{
    private long _count;

    /// <summary>A whole number from 0 to below a limit.</summary>
    public int Below(int limit) => (int)Math.BigMul(Permutation.Mix(seed, scene, _count++), (ulong)limit, out _);
}
