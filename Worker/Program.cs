using Distributed.Hosting.Processes;
using Distributed.Worker;

return await CommandLine.RunAsync(WorkerCommands.Create(), args);
